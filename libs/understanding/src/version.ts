/** What the offline rules call themselves where a model's name is recorded; raised whenever the same text may be read differently. */
export const OFFLINE_MODEL = 'offline-rules-1';
