import{j as t}from"./index-CsHJnTy8.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
