/** The part of a multipart body that holds the field `file`; undefined when there is none. */
export function filePartOf(body: Buffer, contentType: string): { readonly name: string; readonly content: Buffer } | undefined {
  const boundary = /boundary="?([^";]{1,70})"?/.exec(contentType)?.[1];
  if (boundary === undefined) return undefined;
  const fence = Buffer.from(`--${boundary}`);
  for (let at = body.indexOf(fence); at !== -1;) {
    const next = body.indexOf(fence, at + fence.length);
    if (next === -1) return undefined;
    const part = body.subarray(at + fence.length + 2, next - 2);
    const gap = part.indexOf('\r\n\r\n');
    const head = gap === -1 ? '' : part.subarray(0, gap).toString('utf8');
    if (/name="file"/.test(head)) return { name: /filename="([^"]*)"/.exec(head)?.[1] ?? 'file', content: part.subarray(gap + 4) };
    at = next;
  }
  return undefined;
}
