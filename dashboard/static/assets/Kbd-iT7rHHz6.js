import{j as t}from"./index-GDxT_DgU.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
