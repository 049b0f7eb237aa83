import { openRun } from './run.js';

/** Jest's global set-up. */
export default openRun;
