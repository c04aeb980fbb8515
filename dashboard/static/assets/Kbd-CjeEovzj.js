import{j as t}from"./index-Dctp1WcU.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
