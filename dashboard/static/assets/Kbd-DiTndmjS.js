import{j as t}from"./index-BSBOsDQ9.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
