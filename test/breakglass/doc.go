// Package breakglass runs the commands of docs/break-glass.md, as the page has them, against installations that a switch was
// killed on. The servers, the pooler and its agent are real, and what wrecked them is the product's own code; what repairs
// them is the page alone.
package breakglass
