import{j as t}from"./index-CeaSbRxb.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
