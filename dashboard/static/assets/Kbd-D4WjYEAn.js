import{j as t}from"./index-C2JEQ99M.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
