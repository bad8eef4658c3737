using System.Runtime.CompilerServices;

// Walks fill what they use; clearing their locals first made a walk slower.
[module: SkipLocalsInit]
