// Keeps what the page fetched, so that it opens again without a network; with one, the network is asked first. Each export
// has a version, by which main.js registers this file: a new one fetches all that is needed at first anew, so that files
// of two exports never meet. Knows nothing of what the files are.
const OURS = `biggest-enemy ${self.registration.scope} `;
const SHELF = OURS + new URL(self.location.href).search;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(
    (async () => {
      const current = { cache: "no-cache" };
      const { first } = await (await fetch("site.json", current)).json();
      await (await caches.open(SHELF)).addAll(first.map((file) => new Request(file, current)));
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const old = (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== SHELF);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(
    (async () => {
      const shelf = await caches.open(SHELF);
      const key = new URL(request.url);
      key.search = key.hash = "";
      try {
        const answer = await fetch(request);
        if (answer.ok) await shelf.put(key, answer.clone());
        return answer;
      } catch (error) {
        const kept = await shelf.match(key);
        if (kept) return kept;
        throw error;
      }
    })(),
  );
});
