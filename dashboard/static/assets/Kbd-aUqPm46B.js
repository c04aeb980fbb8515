import{j as t}from"./index-7ZxMSdgJ.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
