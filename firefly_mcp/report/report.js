
"use strict";
(function () {
  var tasks = Array.prototype.slice.call(document.querySelectorAll(".task"));
  var query = document.getElementById("query"), server = document.getElementById("server");
  var outcome = document.getElementById("outcome");
  var texts = tasks.map(function (task) { return task.textContent.toLowerCase(); });
  function show() {
    var words = query.value.toLowerCase().split(/\s+/).filter(Boolean), seen = 0;
    tasks.forEach(function (task, index) {
      var fits = words.every(function (word) { return texts[index].indexOf(word) >= 0; })
        && (!server.value || task.dataset.servers.split("\n").indexOf(server.value) >= 0)
        && (!outcome || !outcome.value || task.dataset.outcomes.split("\n").indexOf(outcome.value) >= 0);
      task.hidden = !fits;
      seen += fits ? 1 : 0;
    });
    document.getElementById("count").textContent = seen === tasks.length ? seen + " tasks" : seen + " of " + tasks.length + " tasks";
    document.getElementById("nothing").hidden = seen > 0 || tasks.length === 0;
  }
  function reveal() {
    var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) { return; }
    for (var node = target; node; node = node.parentElement) { if (node.tagName === "DETAILS") { node.open = true; } }
    var result = target.querySelector("details.result");
    if (result) { result.open = true; }
    target.scrollIntoView({ block: "center" });
  }
  query.addEventListener("input", show);
  server.addEventListener("change", show);
  if (outcome) { outcome.addEventListener("change", show); }
  window.addEventListener("hashchange", reveal);
  show();
  reveal();
})();
