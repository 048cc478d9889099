// The screen stays on while the kiosk is seen, where the browser knows how.

/** Keeps the screen on; returns what ends that. */
export function keepAwake() {
  let lock = null;
  const hold = async () => {
    if (document.visibilityState !== "visible" || !navigator.wakeLock) return;
    // Refused on an empty battery: the kiosk works all the same.
    lock = await navigator.wakeLock.request("screen").catch(() => null);
  };
  // The browser takes it back whenever the page is hidden.
  document.addEventListener("visibilitychange", hold);
  hold();
  return () => {
    document.removeEventListener("visibilitychange", hold);
    lock?.release();
  };
}

/** Over the whole screen, or no longer. */
export const changeFullScreen = () =>
  (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen({ navigationUI: "hide" })).catch(() => {});
