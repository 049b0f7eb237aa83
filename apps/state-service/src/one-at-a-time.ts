/** Looks at things by their key: one look at each at a time, and whoever asks meanwhile makes it look again. */
export class OneAtATime {
  private readonly looking = new Map<string, { again: boolean; readonly look: Promise<void> }>();

  constructor(
    private readonly look: (key: string) => Promise<unknown>,
    private readonly onFault: (error: unknown) => void,
  ) {}

  ask(key: string): void {
    const looking = this.looking.get(key);
    if (looking === undefined) this.looking.set(key, { again: false, look: this.run(key) });
    else looking.again = true;
  }

  /** Resolves when nothing is looked at. */
  async idle(): Promise<void> {
    while (this.looking.size > 0) await Promise.all([...this.looking.values()].map(({ look }) => look));
  }

  private async run(key: string): Promise<void> {
    await this.look(key).catch(this.onFault);
    const again = this.looking.get(key)?.again === true;
    this.looking.delete(key);
    if (again) this.ask(key);
  }
}
