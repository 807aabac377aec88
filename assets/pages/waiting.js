// Asks the gateway how far it is, and loads the page once it is there. The
// gateway holds each question for up to a second, so this does not spin.
(() => {
  const main = document.querySelector("main");
  const state = main.querySelector(".state");
  const bar = main.querySelector(".bar");
  // What the page says already: the gateway then tells of news only.
  const shown = main.dataset.shown || "";
  let failures = 0;

  const show = (p) => {
    state.textContent = p.text;
    const share = p.total > 0 ? Math.min(1, p.done / p.total) : -1;
    bar.classList.toggle("known", share >= 0);
    bar.firstElementChild.style.width = share >= 0 ? `${share * 100}%` : "";
    if (share >= 0) bar.setAttribute("aria-valuenow", Math.round(share * 100));
    else bar.removeAttribute("aria-valuenow");
  };

  const ask = async () => {
    try {
      const reply = await fetch(location.href, {
        headers: { "Accept": "application/vnd.altnet.progress+json", "Altnet-Open": main.dataset.token, "Altnet-Shown": shown },
        cache: "no-store",
      });
      const p = await reply.json();
      failures = 0;
      if (p.ready) { location.reload(); return; }
      show(p);
    } catch {
      if (++failures > 2) state.textContent = main.dataset.lost;
    }
    setTimeout(ask, Math.min(250 * 2 ** failures, 4000));
  };
  ask();
})();
