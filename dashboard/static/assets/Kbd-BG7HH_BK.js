import{j as t}from"./index-CF6ZaS6A.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
