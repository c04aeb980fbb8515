import{j as t}from"./index-BH6a7XnX.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
