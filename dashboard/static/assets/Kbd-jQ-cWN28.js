import{j as t}from"./index-BN5eU4ig.js";function s({children:r}){return t.jsx("kbd",{children:r})}export{s as K};
