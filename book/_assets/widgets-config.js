// Runs between require.js and the widget embedder: everything they ask for lies beside them.
(() => {
  const here = document.currentScript.src.replace(/[^/]*$/, "") + "vendor/widgets";
  require.config({ paths: { anywidget: `${here}/anywidget`, "@jupyter-widgets/html-manager/dist": here } });
  // The embedder speaks to MathJax 2; the page has MathJax 3.
  const queue = { Queue: ([, , element]) => window.MathJax?.typesetPromise?.([element]) };
  const install = () => { window.MathJax = window.MathJax ?? {}; window.MathJax.Hub ??= queue; };
  install();
  window.addEventListener("load", install);
})();
