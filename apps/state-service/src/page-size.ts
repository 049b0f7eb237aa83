const PAGE_MAX = 500;

/** How many rows a page may have of those that were asked for. */
export const pageSizeOf = (limit: number): number => Math.min(Math.max(1, limit), PAGE_MAX);
