// What old libraries do to built-in objects: things that show up in every `for … in`, and names that anybody may want.
Array.prototype.last = function () {
    return this[this.length - 1];
};
Object.prototype.extend = function () {};
var $ = window.jQuery;
var part = "of the page";
var copy = null;
var legacy = "kept";
