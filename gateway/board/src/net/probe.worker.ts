// Waits, then asks whether the server is ready. In a worker because a page in the background has its timers
// slowed to one a minute, and because a server that is down is no error of the page: only one that is ready is
// worth a socket.

onmessage = (e: MessageEvent<number>) => {
  setTimeout(() => {
    fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(5000) }).then(
      (answer) => postMessage(answer.ok),
      () => postMessage(false),
    );
  }, e.data);
};
