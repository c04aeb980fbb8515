import{j as t}from"./index-BRC--eeA.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
