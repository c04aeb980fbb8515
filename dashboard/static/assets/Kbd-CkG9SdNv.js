import{j as t}from"./index-Bn_ddjZZ.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
