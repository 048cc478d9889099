// A form of pictures as bytes: what is signed is what is sent, so no browser may write it.

import { randomText } from "/assets/kiosk/signer.js";

/** `multipart/form-data` with a part `frame` for each picture: `{contentType, body}`. */
export async function formOf(pictures) {
  const boundary = `limen-${randomText()}`;
  const parts = [];
  for (const [index, picture] of pictures.entries()) {
    parts.push(`--${boundary}\r\ncontent-disposition: form-data; name="frame"; filename="${index}.jpg"\r\ncontent-type: ${picture.type}\r\n\r\n`, picture, "\r\n");
  }
  parts.push(`--${boundary}--\r\n`);
  const body = await new Blob(parts).arrayBuffer();
  return { contentType: `multipart/form-data; boundary=${boundary}`, body };
}
