"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const texts = JSON.parse($("texts").textContent);
  const token = location.hash.slice(1);
  const SIDE_PX_MAX = 1600; // More shows no more of a face, and takes long to send.
  const JPEG_QUALITY = 0.95;
  const WAIT_MS = 60000;
  let invitation = null;
  let stream = null;
  let byCamera = true;
  let photoIsGood = false;

  // Another link in the same tab is another invitation.
  addEventListener("hashchange", () => location.reload());
  addEventListener("pagehide", closeCamera);

  function show(step) {
    for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== step;
    say("");
    const heading = document.querySelector(`#${step} > h2[tabindex]`);
    if (heading) heading.focus();
    scrollTo(0, 0);
  }

  function say(text) {
    $("status").textContent = text;
  }

  function trouble(text) {
    $("trouble").textContent = text;
    $("trouble").hidden = !text;
  }

  function over(text) {
    closeCamera();
    $("why").textContent = text;
    show("over");
  }

  // The token goes in a header: an address would be logged.
  function ask(path, options = {}) {
    const headers = { ...options.headers, authorization: `Invitation ${token}` };
    const wait = AbortSignal.timeout ? { signal: AbortSignal.timeout(WAIT_MS) } : {};
    return fetch(path, { cache: "no-store", credentials: "omit", ...wait, ...options, headers });
  }

  async function problem(response) {
    return response.json().catch(() => ({}));
  }

  function saying(code) {
    return texts.problems[code] || texts.problems.other;
  }

  /* Reads the invitation; true where it still takes a photo. */
  async function read() {
    const response = await ask("v1/invitation");
    if (response.status === 404) {
      over(texts.unknown);
      return false;
    }
    if (!response.ok) throw new Error((await problem(response)).code);
    invitation = await response.json();
    if (invitation.state === "open") return true;
    over(texts.states[invitation.state] || texts.problems.other);
    return false;
  }

  async function begin() {
    if (!/^[A-Za-z0-9_-]{43}$/.test(token)) return over(texts.incomplete);
    try {
      if (!(await read())) return;
    } catch (error) {
      return say(texts.problems[error.message] || texts.no_connection);
    }
    $("initial").textContent = invitation.initial;
    if (invitation.consent_version !== null) {
      $("version").textContent = invitation.consent_version;
      if (invitation.consent_url !== null) {
        $("terms").href = invitation.consent_url;
        $("terms").hidden = false;
      }
      $("consent").hidden = false;
    }
    show("start");
  }

  function agreed() {
    if (invitation.consent_version === null || $("agree").checked) return true;
    trouble(texts.agree_first);
    $("agree").focus();
    return false;
  }

  async function openCamera() {
    trouble("");
    if (!agreed()) return;
    if (!navigator.mediaDevices) return trouble(texts.camera_needs_https);
    try {
      closeCamera();
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } },
      });
    } catch (error) {
      show("start");
      const none = error.name === "NotFoundError" || error.name === "OverconstrainedError";
      return trouble(none ? texts.no_camera : texts.camera_refused);
    }
    byCamera = true;
    $("video").srcObject = stream;
    show("camera");
    await $("video").play().catch(() => {});
  }

  function closeCamera() {
    if (stream) for (const track of stream.getTracks()) track.stop();
    stream = null;
    $("video").srcObject = null;
  }

  /* Puts a picture onto the canvas, no larger than needed; what else the file held, a place say, is left behind. */
  function draw(source, width, height) {
    const scale = Math.min(1, SIDE_PX_MAX / Math.max(width, height));
    const canvas = $("picture");
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
    canvas.classList.toggle("mirrored", byCamera);
    show("review");
  }

  function take() {
    const video = $("video");
    if (!video.videoWidth) return;
    draw(video, video.videoWidth, video.videoHeight);
    closeCamera();
  }

  async function choose() {
    const [file] = $("file").files;
    $("file").value = ""; // The same file may be chosen again.
    if (!file) return;
    trouble("");
    if (!agreed()) return;
    try {
      const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
      byCamera = false;
      draw(picture, picture.width, picture.height);
      picture.close();
    } catch {
      show("start");
      trouble(texts.not_a_picture);
    }
  }

  function again() {
    if (byCamera) return openCamera();
    show("start");
    $("file").focus();
  }

  /* `good`: the photo is not at fault, and can be sent once more. */
  function refuse(reasons, good) {
    photoIsGood = good;
    $("retry").textContent = good ? texts.retry : texts.again;
    $("reasons").replaceChildren(
      ...reasons.map((reason) => {
        const line = document.createElement("li");
        line.textContent = reason;
        return line;
      }),
    );
    const left = invitation.attempts_left;
    const [before, after] = texts.attempts_left;
    $("left").textContent = left === 1 ? texts.one_attempt_left : `${before}${left}${after}`;
    show("refused");
  }

  async function send() {
    const buttons = [$("send"), $("another")];
    for (const button of buttons) button.disabled = true;
    say(texts.sending);
    try {
      const photo = await new Promise((done) => $("picture").toBlob(done, "image/jpeg", JPEG_QUALITY));
      const version = invitation.consent_version;
      const query = version === null ? "" : `?${new URLSearchParams({ consent_version: version })}`;
      const headers = { "content-type": "image/jpeg" };
      const response = await ask(`v1/invitation/face${query}`, { method: "POST", headers, body: photo });
      if (response.ok) return show("done");
      const { code, issues = [] } = await problem(response);
      const reasons = issues.map((issue) => texts.issues[issue]).filter(Boolean);
      // How many photos are left, and whether the invitation is over.
      const good = response.status === 408 || response.status === 429 || response.status >= 500;
      if (await read()) refuse(reasons.length ? reasons : [saying(code)], good);
    } catch {
      refuse([texts.no_connection], true);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  $("open").addEventListener("click", openCamera);
  $("file").addEventListener("change", choose);
  $("take").addEventListener("click", take);
  $("back").addEventListener("click", () => {
    closeCamera();
    show("start");
  });
  $("send").addEventListener("click", send);
  $("another").addEventListener("click", again);
  $("retry").addEventListener("click", () => (photoIsGood ? show("review") : again()));
  begin();
})();
