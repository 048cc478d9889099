// Whether somebody stands before the camera: cheap enough for any tablet, and only ever a reason to ask. It compares
// a thumbnail with the scene as it is while nobody is there.

const WIDTH = 32;
const HEIGHT = 24;
/** Mean difference of luma (0 to 255) beyond which a scene is another one. */
const CHANGED = 11;
/** And under which nothing moves. */
const STILL = 4;
const STILL_MS = 350;
/** How fast the empty scene follows the light of the day, at each look. */
const ADAPTS = 0.02;

/**
 * Watches a video. `look()` says `true` when somebody has come to stand there who was not answered yet; call it a few
 * times a second.
 */
export function presence(video) {
  const context = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT }).getContext("2d", { willReadFrequently: true });
  let empty = null;
  let previous = null;
  let asked = null;
  let answered = null;
  let stillSince = performance.now();

  function look() {
    const now = performance.now();
    const scene = thumbnail();
    if (!scene) return false;
    if (previous && difference(scene, previous) > STILL) stillSince = now;
    previous = scene;
    if (empty && difference(scene, empty) <= CHANGED) {
      empty = empty.map((value, i) => value + ADAPTS * (scene[i] - value));
      answered = null;
      return false;
    }
    // At the start somebody may stand there already. After that, whoever was answered and stays is not asked again.
    return now - stillSince >= STILL_MS && (!answered || difference(scene, answered) > CHANGED);
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
    /** Pictures are being taken. */
    asks: () => (asked = thumbnail()),
    /** Nobody was on them: a chair, a new light. That is the empty scene now. */
    nobody: () => (empty = asked),
    /** Whoever was on them has their answer. */
    answered: () => (answered = asked),
  };
}

const difference = (one, other) => one.reduce((sum, value, i) => sum + Math.abs(value - other[i]), 0) / one.length;
