// Files that people choose, as pictures that the service takes.

const TAKEN = ["image/jpeg", "image/png", "image/webp"];
/** What the service takes of one picture, unless it is configured otherwise. */
const BYTES_MAX = 10 * 1024 * 1024;
/** More shows no more of a face. */
const SIDE_PX_MAX = 4000;
const JPEG_QUALITY = 0.95;

/** A file as a picture: itself where the service takes it, else written anew. Throws in words. */
export async function photoOf(file) {
  if (TAKEN.includes(file.type) && file.size <= BYTES_MAX) return file;
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error("this browser cannot read the file as a picture; JPEG, PNG and WebP are taken");
  }
  const scale = Math.min(1, SIDE_PX_MAX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: Math.max(1, Math.round(picture.width * scale)), height: Math.max(1, Math.round(picture.height * scale)) });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large"))), "image/jpeg", JPEG_QUALITY));
}
