import{j as t}from"./index-BoO_aAeF.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
