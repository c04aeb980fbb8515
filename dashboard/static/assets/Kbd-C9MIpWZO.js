import{j as t}from"./index-BOhqDAho.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
