import{j as t}from"./index-Cun20oQM.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
