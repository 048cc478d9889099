// Whether somebody stands before the camera: cheap enough for any tablet, and only ever a reason to ask. It compares
// a thumbnail with the scene as it was while nobody was there.

const WIDTH = 32;
const HEIGHT = 24;
/** Mean difference of luma (0 to 255) beyond which the scene has somebody new in it. */
const CHANGED = 11;
/** And under which nothing moves. */
const STILL = 4;
const STILL_MS = 350;
/** For so long somebody may take to walk away before whoever is there next counts. */
const LEAVING_MS_MAX = 3_000;

/** Watches a video. `look()` says `true` when somebody has come to stand there; call it a few times a second. */
export function presence(video) {
  const context = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT }).getContext("2d", { willReadFrequently: true });
  let empty = null;
  let previous = null;
  let stillSince = performance.now();
  let leavingSince = null;

  function look() {
    const now = performance.now();
    const scene = thumbnail();
    if (!scene) return false;
    if (previous && difference(scene, previous) > STILL) stillSince = now;
    previous = scene;
    const still = now - stillSince >= STILL_MS;
    if (leavingSince !== null) {
      if (still) empty = scene;
      if (still || now - leavingSince > LEAVING_MS_MAX) leavingSince = null;
      return false;
    }
    // At the start somebody may stand there already.
    return still && (!empty || difference(scene, empty) > CHANGED);
  }

  /** A picture's luma against its own mean, so that a camera that grows brighter is nobody. */
  function thumbnail() {
    if (!video.videoWidth) return null;
    context.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
    const luma = Float32Array.from({ length: WIDTH * HEIGHT }, (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
    const mean = luma.reduce((sum, value) => sum + value, 0) / luma.length;
    return luma.map((value) => value - mean);
  }

  return {
    look,
    /** What is there now is nobody: a chair, a new light. */
    nobody: () => (empty = previous),
    /** Somebody was answered: what is there once they have gone is the empty scene. */
    leaving: () => (leavingSince = performance.now()),
  };
}

const difference = (one, other) => one.reduce((sum, value, i) => sum + Math.abs(value - other[i]), 0) / one.length;
