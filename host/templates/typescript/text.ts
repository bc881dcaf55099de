// UTF-8 to text and back: the engine has no TextDecoder.

declare function escape(text: string): string;
declare function unescape(text: string): string;

const CHUNK = 4096;

/** The text in `bytes`. Throws where they are not UTF-8. */
export function decode(bytes: Uint8Array): string {
  let latin = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    latin += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK) as unknown as number[]);
  }
  return /[\x80-\xff]/.test(latin) ? decodeURIComponent(escape(latin)) : latin;
}

/** `text` as UTF-8. */
export function encode(text: string): Uint8Array {
  const latin = /[^\x00-\x7f]/.test(text) ? unescape(encodeURIComponent(text)) : text;
  const bytes = new Uint8Array(latin.length);
  for (let at = 0; at < latin.length; at++) bytes[at] = latin.charCodeAt(at);
  return bytes;
}
