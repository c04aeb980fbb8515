import{j as t}from"./index-CbCy0Jt-.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
