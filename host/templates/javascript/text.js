// UTF-8 to text and back: the engine has no TextDecoder.

const CHUNK = 4096;

/** The text in `bytes`. Throws where they are not UTF-8. */
export function decode(bytes) {
  let latin = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    latin += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK));
  }
  return /[\x80-\xff]/.test(latin) ? decodeURIComponent(escape(latin)) : latin;
}

/** `text` as UTF-8. */
export function encode(text) {
  const latin = /[^\x00-\x7f]/.test(text) ? unescape(encodeURIComponent(text)) : text;
  const bytes = new Uint8Array(latin.length);
  for (let at = 0; at < latin.length; at++) bytes[at] = latin.charCodeAt(at);
  return bytes;
}
