import{j as t}from"./index-w53ubEVk.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
