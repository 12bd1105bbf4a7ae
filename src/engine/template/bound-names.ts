/** Names that are bound where something is compiled. What a block binds ends with it: in the order in which it came, as copies would take time in the product. */
export class BoundNames {
  private readonly names = new Set<string>();
  private readonly order: string[] = [];

  has(name: string): boolean {
    return this.names.has(name);
  }

  add(name: string): void {
    if (this.names.has(name)) return;
    this.names.add(name);
    this.order.push(name);
  }

  /** How many there are, to go back to. */
  get count(): number {
    return this.order.length;
  }

  backTo(count: number): void {
    for (const name of this.order.splice(count)) this.names.delete(name);
  }
}
