import{j as t}from"./index-CbriM3bL.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
