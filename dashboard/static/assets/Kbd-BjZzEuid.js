import{j as t}from"./index-CDoV82YK.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
