import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentId, AttemptRef, JsonObject, RepositoryRef, Timestamp } from '@taskmaster/contracts';
import type { Lanes } from '../lanes.js';
import { attemptName, slugOf } from '../names.js';
import type { ProcessMark } from '../processes.js';
import type { Work } from '../steps.js';
import type { Workspace } from './workspaces.js';

/** What a restarted coordinator must know of an attempt: written before the thing it names is used. */
export interface Session {
  readonly work: Work;
  readonly startedAt: Timestamp;
  readonly deadlineAt: Timestamp;
  readonly title: string;
  readonly repository?: RepositoryRef;
  readonly workspace?: Workspace;
  readonly agent?: { readonly id: AgentId; readonly name: string; readonly simulated: boolean };
  readonly driver?: JsonObject;
  readonly process?: ProcessMark;
}

/** One file per attempt, replaced as a whole; what is asked for one attempt happens in the order it was asked. */
export class Sessions {
  constructor(
    private readonly dir: string,
    private readonly lanes: Lanes,
  ) {}

  write(session: Session): Promise<void> {
    const path = this.pathOf(session.work);
    return this.lanes.run(`session ${path}`, async () => {
      await mkdir(this.dir, { recursive: true, mode: 0o700 });
      await writeFile(`${path}.draft`, JSON.stringify(session), { mode: 0o600 });
      await rename(`${path}.draft`, path);
    });
  }

  async read(ref: AttemptRef): Promise<Session | undefined> {
    return parse(await readFile(this.pathOf(ref), 'utf8').catch(() => ''));
  }

  remove(ref: AttemptRef): Promise<void> {
    const path = this.pathOf(ref);
    return this.lanes.run(`session ${path}`, () => rm(path, { force: true }));
  }

  async list(): Promise<readonly Session[]> {
    const names = (await readdir(this.dir).catch(() => [])).filter((name) => name.endsWith('.json'));
    const sessions = await Promise.all(
      names.sort().map(async (name) => parse(await readFile(join(this.dir, name), 'utf8').catch(() => ''))),
    );
    return sessions.flatMap((session) => session ?? []);
  }

  private pathOf(ref: AttemptRef): string {
    return join(this.dir, `${slugOf(ref.workflowId)}.${attemptName(ref)}.json`);
  }
}

function parse(text: string): Session | undefined {
  try {
    const session = JSON.parse(text) as Partial<Session> | null;
    return typeof session?.work?.eventId === 'string' ? (session as Session) : undefined;
  } catch {
    return undefined;
  }
}
