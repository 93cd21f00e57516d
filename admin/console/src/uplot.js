/* uplot.js - the chart library; a file of its own, so that only pages with charts fetch it. */
export { default } from "uplot";
