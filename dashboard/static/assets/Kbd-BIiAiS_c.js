import{j as t}from"./index-BL5V3Bg8.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
