// Removes what the former owner's pages stored under this origin. The
// Clear-Site-Data header does the same where the browser heeds it, which it
// does over https only.
(async () => {
  const patience = () => new Promise((done) => setTimeout(done, 1500)); // no step may keep the page
  const attempt = async (job) => {
    try { await Promise.race([job(), patience()]); } catch { /* not there: nothing to remove */ }
  };
  await attempt(() => localStorage.clear());
  await attempt(() => sessionStorage.clear());
  await attempt(async () => {
    for (const r of await navigator.serviceWorker.getRegistrations()) await r.unregister();
  });
  await attempt(async () => {
    for (const key of await caches.keys()) await caches.delete(key);
  });
  await attempt(async () => {
    for (const db of await indexedDB.databases()) indexedDB.deleteDatabase(db.name);
  });
  await attempt(() => {
    for (const pair of document.cookie.split("; ")) {
      const name = pair.split("=")[0];
      document.cookie = `${name}=; max-age=0; path=/`;
      document.cookie = `${name}=; max-age=0; path=/; domain=${location.hostname}`;
    }
  });
  location.replace(document.querySelector("main").dataset.next);
})();
