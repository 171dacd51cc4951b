// Live updates of a run's page. All that it shows was made and escaped by the server.
"use strict";
const live = document.getElementById("live");
if (live && live.dataset.events) {
  const state = document.getElementById("state");
  const log = document.getElementById("log");
  const source = new EventSource(`${live.dataset.events}?after=${live.dataset.after}`);
  let said = "";
  source.addEventListener("open", () => { live.textContent = said || "The run works; this page follows it."; });
  source.addEventListener("error", () => { live.textContent = "The line is broken; it is tried again."; said = ""; });
  source.addEventListener("line", (event) => {
    const line = JSON.parse(event.data);
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.dateTime = line.time;
    time.textContent = line.time.slice(11, 19);
    item.append(time, ` ${line.text}`);
    log.prepend(item);
    while (log.children.length > 1000) { log.lastElementChild.remove(); }
  });
  source.addEventListener("state", (event) => {
    const now = JSON.parse(event.data);
    const focused = state.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    state.innerHTML = now.html;
    if (focused) {
      const again = [...state.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused);
      if (again) { again.focus(); }
    }
    if (now.said !== said) { said = now.said; live.textContent = said; }
  });
  source.addEventListener("end", (event) => {
    source.close();
    live.textContent = `The run has ended: ${event.data}. Load the page again for its report.`;
  });
}
