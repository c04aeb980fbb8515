/** The clipboard, with the ways around where a page is served without TLS or a browser asks for a gesture. */

/** Copy a text. False where no way worked. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text);
  }
}

/**
 * Copy a text that has still to be read. The write begins at once, while the person's press counts: Safari refuses one
 * that begins after an answer has come.
 *
 * Raises: what the reading raises.
 */
export async function copyLoaded(text: Promise<string>): Promise<boolean> {
  try {
    const blob = text.then((loaded) => new Blob([loaded], { type: "text/plain" }));
    blob.catch(() => undefined); // where the line below throws, nobody else waits for it
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    return true;
  } catch {
    return copyText(await text);
  }
}

/** For pages served without TLS, where the clipboard API is missing. */
function copyByHand(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
  }
}
