// The camera of this device, as a source of JPEG pictures.

/** Why there is no picture, in words for whoever stands before the screen. `code` is the browser's name for it. */
export class CameraError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** What a browser says, and what somebody can do about it. */
const TROUBLE = {
  NotAllowedError: "The camera was not allowed. Allow it for this page in the browser's settings, then try again.",
  NotFoundError: "There is no camera on this device.",
  NotReadableError: "The camera is there but gives no picture: another program may be using it.",
  OverconstrainedError: "There is no camera of the kind that was asked for.",
  SecurityError: "This browser lets no page use the camera.",
};

/** The picture that is asked for; a camera gives what comes nearest. */
const WANTED = { width: { ideal: 1280 }, height: { ideal: 720 } };

/** How long the first picture may take. */
const FIRST_PICTURE_MS_MAX = 10_000;

/**
 * Shows the camera in `video` until it is stopped. `facingMode`: `user` looks at whoever holds the device,
 * `environment` away from them.
 *
 * Returns `{capture({quality}), stop()}`: `capture` gives the picture of the moment as a JPEG.
 * `ended` of the options is called where the camera goes away by itself. Throws a CameraError.
 */
export async function openCamera(video, { facingMode = "user", ended } = {}) {
  if (!isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    throw new CameraError("InsecureContext", "A browser gives the camera only to pages over https, or from this machine itself. Open the console that way.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...WANTED, facingMode } });
  } catch (error) {
    throw new CameraError(error.name, TROUBLE[error.name] || `The camera cannot be used: ${error.message || error.name}.`);
  }
  const [track] = stream.getVideoTracks();
  const stop = () => {
    for (const each of stream.getTracks()) each.stop();
    if (video.srcObject === stream) video.srcObject = null;
  };
  track.addEventListener("ended", () => {
    stop();
    ended?.(new CameraError("Ended", "The camera was disconnected."));
  });
  try {
    Object.assign(video, { muted: true, playsInline: true, srcObject: stream });
    await withPicture(video);
  } catch (error) {
    stop();
    throw error instanceof CameraError ? error : new CameraError(error.name, `The camera's picture cannot be shown: ${error.message}.`);
  }
  const canvas = document.createElement("canvas");

  /** The picture of the moment, unmirrored and as large as the camera gives it. */
  function capture({ quality = 0.9 } = {}) {
    if (track.readyState !== "live") return Promise.reject(new CameraError("Ended", "The camera is off."));
    Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise((resolve, reject) => {
      const done = (blob) => (blob ? resolve(blob) : reject(new CameraError("NoPicture", "The camera gave no picture.")));
      canvas.toBlob(done, "image/jpeg", quality);
    });
  }

  return { capture, stop };
}

/** Resolves once the video has a picture. */
async function withPicture(video) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new CameraError("Timeout", "The camera gave no picture within ten seconds.");
    timer = setTimeout(() => reject(error), FIRST_PICTURE_MS_MAX);
  });
  const ready = video.play().then(() => {
    if (video.videoWidth) return null;
    return new Promise((resolve) => video.addEventListener("resize", resolve, { once: true }));
  });
  try {
    await Promise.race([ready, late]);
  } finally {
    clearTimeout(timer);
  }
}
