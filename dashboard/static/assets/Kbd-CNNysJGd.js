import{j as t}from"./index-zeAgtVZ4.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
