import { describe, expect, it } from '@jest/globals';
import { killRun } from './kill-run.js';

const said: string[] = [];

describe('a busy platform with two state-services', () => {
  it('finishes every workflow and records every attempt once, whichever process is killed', async () => {
    const report = await killRun({ cicd: 2, simple: 10, repositories: 1, links: 18, thinkMs: 4_000, say: (text) => said.push(text) });
    expect(report.violations).toEqual([]);
    expect(report.finished).toBe(report.accepted);
    expect(report.accepted).toBeGreaterThan(12);
    expect(report.kills.every(({ openAttempts }) => openAttempts > 0)).toBe(true);
  }, 600_000);
});
