import{j as t}from"./index-D9Eaapkn.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
