import{j as t}from"./index-_IV3Jg1i.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
