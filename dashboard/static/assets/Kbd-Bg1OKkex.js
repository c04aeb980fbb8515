import{j as t}from"./index-Ca6Q4GR7.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
