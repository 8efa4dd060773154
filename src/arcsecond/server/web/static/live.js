// Shows an activity the moment it is published; resumes where it stopped.
"use strict";
(() => {
  const feed = document.getElementById("feed");
  const state = document.getElementById("state");
  const template = document.getElementById("activity");
  const shown = new Set([...feed.querySelectorAll("[data-pk]")].map((a) => a.dataset.pk));

  const when = (text) => text.slice(0, 19).replace("T", " ") + " UTC";

  function show(activity) {
    const pk = String(activity.pk);
    if (shown.has(pk)) return;
    shown.add(pk);
    const item = template.content.firstElementChild.cloneNode(true);
    item.dataset.pk = pk;
    item.id = "activity-" + pk;
    const link = item.querySelector("h2 a");
    link.textContent = activity.title || activity.target_name || "Activity " + pk;
    link.href = "/activities/" + pk + "/";
    item.querySelector(".content").textContent = activity.content;
    const time = item.querySelector("time");
    time.dateTime = activity.date;
    time.textContent = when(activity.date);
    const about = activity.title && activity.target_name ? " · " + activity.target_name : "";
    item.querySelector(".by").textContent = activity.profile + about;
    document.getElementById("empty")?.remove();
    feed.prepend(item);
  }

  const source = new EventSource("/live?after=" + feed.dataset.last);
  source.addEventListener("open", () => { state.textContent = "connected"; state.className = "state on"; });
  source.addEventListener("error", () => { state.textContent = "reconnecting"; state.className = "state"; });
  source.addEventListener("activity", (event) => show(JSON.parse(event.data)));
})();
