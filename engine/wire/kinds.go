package wire

// Type returns TypeHello.
func (Hello) Type() Type { return TypeHello }

// Type returns TypePing.
func (Ping) Type() Type { return TypePing }

// Type returns TypePong.
func (Pong) Type() Type { return TypePong }

// Type returns TypeError.
func (Error) Type() Type { return TypeError }

// Type returns TypeAck.
func (Ack) Type() Type { return TypeAck }

// Type returns TypeFindNode.
func (FindNode) Type() Type { return TypeFindNode }

// Type returns TypeNodes.
func (Nodes) Type() Type { return TypeNodes }

// Type returns TypeGetRecords.
func (GetRecords) Type() Type { return TypeGetRecords }

// Type returns TypeRecords.
func (Records) Type() Type { return TypeRecords }

// Type returns TypePutRecord.
func (PutRecord) Type() Type { return TypePutRecord }

// Type returns TypeStored.
func (Stored) Type() Type { return TypeStored }

// Type returns TypeGetProviders.
func (GetProviders) Type() Type { return TypeGetProviders }

// Type returns TypeProviders.
func (Providers) Type() Type { return TypeProviders }

// Type returns TypeAddProvider.
func (AddProvider) Type() Type { return TypeAddProvider }

// Type returns TypeGetBlocks.
func (GetBlocks) Type() Type { return TypeGetBlocks }

// Type returns TypeBlock.
func (Block) Type() Type { return TypeBlock }

// Type returns TypeMissing.
func (Missing) Type() Type { return TypeMissing }

// Type returns TypeGetPath.
func (GetPath) Type() Type { return TypeGetPath }

// Type returns TypeEnd.
func (End) Type() Type { return TypeEnd }

// Type returns TypeGetHave.
func (GetHave) Type() Type { return TypeGetHave }

// Type returns TypeHave.
func (Have) Type() Type { return TypeHave }

// Type returns TypeOffer.
func (Offer) Type() Type { return TypeOffer }

// Type returns TypeOfferReply.
func (OfferReply) Type() Type { return TypeOfferReply }

// Type returns TypeReceipt.
func (Receipt) Type() Type { return TypeReceipt }
