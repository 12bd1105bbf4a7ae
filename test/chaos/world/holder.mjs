/** The last five digits of the lease tokens of one process. */
export const holderOf = (node, pid) => `${node}${(pid % 65_536).toString(16).padStart(4, '0')}`;
