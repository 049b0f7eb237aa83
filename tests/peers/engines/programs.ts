/** The clients: each is a process of its own. */
export const DRIVE_HTTP = new URL('../roles/http-client.js', import.meta.url);
export const DRIVE_DBOS = new URL('../roles/dbos-in-process.js', import.meta.url);
